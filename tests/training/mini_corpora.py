"""Every corpus in miniature: its files, in its authors' format, with mild sentences of our own."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

TESTS_ONLY = {
    "abuse_cases",
    "appropriateness",
    "context_toxicity",
    "cqa2015",
    "cqa2017",
    "disguised",
    "forum_pairs",
    "harmless_long",
    "hidden_insults",
    "robtest",
    "stance_cases",
    "thread_headlines",
    "twitter_aae_dialect",
    "unhealthy",
    "unintended_bias",
    "vast_sentswap",
}
"""Sources without training rows."""


def write_corpora(folder: Path) -> Path:
    """Writes all of them under `folder`, laid out like the data folder, and returns it."""
    for path, text in {**ABUSE, **STANCE, **OFF_TOPIC, **ENTAILMENT, **STORIES}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".gz":
            file.write_bytes(gzip.compress(text.encode("utf-8")))
        else:
            file.write_text(text, encoding="latin-1" if "RUW" in path else "utf-8", newline="")
    archive = folder / "offtopic/contexts/reddit-worldnews-headlines/RedditNews.csv.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as zipped:
        news = "".join(f"2016-07-01,Harbour number {n} reopens after repairs\n" for n in range(40))
        zipped.writestr("RedditNews.csv", "Date,News\n" + news)
    return folder


def _lines(*rows: object) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


_TOXIC_SPANS = {
    "DERIVED_civil_multilabel_16k.csv": _lines(
        "comment_id,comment_text,any_span,insult,obscene,identity_attack,threat,other,n_raters,semeval_split",
        '1,"You fool, sit down.",1.0,0.6667,0.0,0.0,0.3333,0.0,3,train',
        "2,What a silly plan.,0.3333,0.3333,0.0,0.0,0.0,0.0,3,trial",
        "3,Only a clown writes this.,0.6667,0.6667,0.0,0.0,0.0,0.0,3,test",
        "4,That dolt again.,1.0,1.0,0.0,0.0,0.0,0.0,3,",
        "5,The lake is cold.,0.0,0.0,0.0,0.0,0.0,0.0,3,",
        "6,Hmm now.,0.3333,0.0,0.0,0.0,0.0,0.3333,3,",
    ),
    "tsd_train.csv": 'spans,text\n"[4, 5, 6, 7]","You fool, sit down."\n',
    "tsd_trial.csv": "spans,text\n[],What a silly plan.\n",
    "tsd_test.csv": 'spans,text\n"[7, 8, 9, 10, 11, 99]",Only a clown writes this.\n',
    "annotations.csv": _lines(
        "annotation,comment_id,worker,country,all toxic,not toxic",
        *(f"{n},{4 if n < 3 else 6},7,X,False,False" for n in range(6)),
    ),
    "spans.csv": _lines("annotation,type,start,end", "0,Insult,5,9", "1,Insult,5,9", "2,Insult,0,9"),
}
_JIGSAW = {
    "jigsaw_binary_union.csv": _lines(
        "text,toxic,src",
        "Thanks for the edit,0,khanhhk",
        "You vandal,1,ak",
        "In the test,1,robtest",
        "In the other test,0,ub",
    ),
    "jigsaw_multilabel_real.csv": _lines(
        "comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate,src",
        "Please see the talk page,0,0.0,0.0,0.0,0.0,0.0,amodh_train_head3000",
        "I will find you and revert you,1,0.0,0.0,1.0,0.0,0.0,nimmo_x_testlabels",
    ),
}
_HATEMOJI = _lines(
    "entry_id,text,type,target,label_gold",
    "0,They ruin this town,threateninglanguage,['x'],1",
    "1,They make this town,none,['none'],0",
)
_OLID = _lines(
    "id\ttweet\tsubtask_a\tsubtask_b\tsubtask_c",
    '1\t@USER "Nice weather\tNOT\tNULL\tNULL',
    "2\t@USER You are a twit\tOFF\tTIN\tIND",
    "3\tDarn bus\tOFF\tUNT\tNULL",
    "4\tThat party of twits\tOFF\tTIN\tGRP",
)
_CONVABUSE = _lines(
    "example_id,conv_id,agent,user,"
    + ",".join(
        f"Annotator{n}_{kind}"
        for n in (1, 2)
        for kind in (
            *("is_abuse.1", "is_abuse.0", "is_abuse.-1", "is_abuse.-2", "is_abuse.-3"),
            *("sexist", "ableist", "homophobic", "racist", "transphobic", "sex_harassment", "intellectual"),
        )
    ),
    "1,c1,Hello,you are dim," + "0,0,1,0,0,0,0,0,0,0,0,1," + "1,0,0,0,0,0,0,0,0,0,0,0",
    "2,c2,Hello,good morning," + "1,0,0,0,0,0,0,0,0,0,0,0," + ",".join([""] * 12),
)
ABUSE = {
    **{f"abuse/toxic_spans/{name}": text for name, text in _TOXIC_SPANS.items()},
    **{f"abuse/jigsaw_DERIVED_multilabel/{name}": text for name, text in _JIGSAW.items()},
    "offtopic/C3/C3_anonymized.csv": _lines(
        "article_id,comment_text,njudgements_toxicity_expt,crowd_toxicity_level,toxicity_characteristics",
        "10, Well argued. ,5.0,1.0,no_toxic:5",
        '11,"You lot again, honestly.",5.0,2.0,"personal_attack:2\nteasing:1"',
        "12,Disgraceful lot.,5.0,3.6,personal_attack:5",
    ),
    "abuse/impermium_insults/train.csv": _lines(
        "Insult,Date,Comment",
        r'1,20120618192155Z,"""You\xa0are a \\bore\\.\nGo."""',
        '0,,"""Fair enough."""',
    ),
    "abuse/jigsaw_robtest/test.csv": 'Good point,0\n"You, sir, are a pest",1\n',
    "abuse/youtube_spam_merged/YoutubeSpamMergedData.csv": _lines(
        "Unnamed: 0,s.no,COMMENT_ID,AUTHOR,DATE,CONTENT,CLASS",
        "Psy,0,a,A,2013,Don&#39;t miss <b>my</b> channel<br />link below\ufeff,1",
        "Psy,1,b,B,2013,Lovely song,0",
        "Eminem,2,c,C,2013,Great beat,0",
    ),
    "abuse/edos/data_edos_labelled_aggregated.csv": _lines(
        "rewire_id,text,label_sexist,label_category,label_vector,split",
        'a,Women should be chased off,sexist,"1. threats, plans to harm and incitement",1.1,train',
        "b,Women can not park,sexist,3. animosity,3.2,train",
        "c,The train was late,not sexist,none,none,dev",
        "d,Nice hat,not sexist,none,none,test",
    ),
    "abuse/hatemoji/HatemojiBuild_train.csv": _HATEMOJI,
    "abuse/hatemoji/HatemojiBuild_validation.csv": _HATEMOJI.replace("town", "village"),
    "abuse/hatemoji/HatemojiCheck_test.csv": _lines(
        "case_id,text,target,functionality,label_gold", "0,They are \U0001f400,x,verb_swap,1"
    ),
    "abuse/vicomtech_stormfront/stormfront_joined.csv": _lines(
        "file_id,text,label,split",
        "1_1,Send them all away,hate,",
        "1_2,The booklet is out,noHate,sampled_train",
        "2_1,I agree with him,relation,",
        "3_1,They spoil it all,hate,sampled_test",
    ),
    "abuse/gab_hate_corpus/dev.jsonl": _lines(
        {"text_id": 1, "Text": "Drive them out", "hd": 1, "cv": 1, "vo": 0}
    ),
    "abuse/gab_hate_corpus/test.jsonl": _lines({"text_id": 2, "Text": "Darn it", "hd": 0, "cv": 0, "vo": 1}),
    "abuse/ethos/Ethos_Dataset_Binary.csv": "comment;isHate\nGo home, all of you;0.75\nNice day;0.0\n",
    "abuse/ethos/Ethos_Dataset_Multi_Label.csv": "comment;violence\nGo home, all of you;0.25\n",
    "abuse/reddit_misogyny/final_labels.csv": _lines(
        "entry_id,link_id,body,image,level_1,level_2,level_3,split",
        "a,t1,Girls can not count,,Misogynistic,Derogation,Intellectual_inferiority,train",
        "b,t2,Water is wet,Yes,Nonmisogynistic,None_of_the_categories,,test",
        "c,t3,Half a cell,that slipped,Nonmisogynistic,None_of_the_categories,,train",
    ),
    "abuse/safenlp/implicitHate.json": json.dumps([{"text": "they take it all", "label": "hate"}]),
    "abuse/safenlp/toxiGen.json": json.dumps(
        [{"text": "they are kind_x000D_people", "toxicity_score": 2.0, "target_groups": ["a", "b"]}]
    ),
    "abuse/hatexplain/hatexplain_processed.csv": "tweet,label\nwhat a lout,1\nwhat a day,0\n",
    "abuse/hasoc2019/english_dataset.tsv": _lines(
        "text_id\ttext\ttask_1\ttask_2\ttask_3 ",
        "h1\tA &amp; B\tNOT\tNONE\tNONE",
        "h2\tDarned fools\tHOF\tPRFN\tUNT",
        "h3\tSend that lot home\tHOF\tHATE\tTIN",
    ),
    "abuse/olid/olid-training-v1.0.tsv": _OLID,
    "abuse/olid/testset-levela.tsv": "id\ttweet\n9\tBother\n",
    "abuse/olid/labels-levela.csv": "9,OFF\n",
    "abuse/davidson/labeled_data.csv": _lines(
        ",count,hate_speech,offensive_language,neither,class,tweet",
        "0,3,1,1,1,1,RT @a: you pest",
        "1,3,0,0,3,2,Fine day",
        "2,3,0,3,0,1,Those pests",
    ),
    "abuse/twitter_aae_dialect/val.csv": "Unnamed: 0,tweet,label,dialect_strict\n1,fine day,0,SAE\n",
    "abuse/twitter_aae_dialect/test.csv": "Unnamed: 0,tweet,label,dialect_strict\n2,those pests,1,AAE\n",
    **{f"abuse/convabuse/ConvAbuseEMNLP{name}.csv": _CONVABUSE for name in ("train", "valid", "test")},
    "abuse/wiki_ai_automod/toxic.csv": "content,rating\nYou are as useful as a wet match,1\n",
    "abuse/wiki_ai_automod/more_toxic.csv": "content,rating\nShut it,1\nbroken,\n",
    "abuse/wiki_ai_automod/non_toxic.csv": "content,rating\nLooks like rain,0\n",
    "abuse/wiki_ai_automod/nsfw.csv": "content,rating\nThe city desk of a paper,0\n",
    "abuse/paradetox/paradetox.tsv": _lines(
        "toxic\tneutral1\tneutral2\tneutral3",
        'what a "darn mess\twhat a mess\t\t',
        "shut up now\tplease stop\t\t",
    ),
    "abuse/jigsaw_severity/ruddit_with_text.csv": _lines(
        "post_id,comment_id,txt,url,offensiveness_score",
        "p1,a,You twerp,u,0.9",
        "p2,b,Have a great time,u,-0.8",
        "p3,c,That is rather rude,u,0.3",
        "p4,d,[deleted],u,0.1",
    ),
    "abuse/snlp_detox/dev_toxic": "you are a bore .\n",
    "abuse/snlp_detox/dev_normal": "see you there , friend !\n",
    "abuse/unintended_bias/toxicity_nonfuzzed_testset.csv": "rev_id,comment,toxic\n1,Is this new?,False\n",
    "abuse/unintended_bias/bias_madlibs_77k.csv": "Text,Label,Template\nscold bakers,BAD,verb_adj\n",
    "abuse/unintended_bias/intersectional_madlibs.csv": "template,toxicity,phrase\na,nontoxic,I am a baker\n",
    "abuse/context_toxicity/gc.csv": "id,text,parent,label,api\n1,I see no attack,An attack?,0,0.1\n",
    "abuse/context_toxicity/gn.csv": "id,text,label,api,parent\n2,Another page then,0,0.1,Which page?\n",
    "abuse/context_toxicity/cat_small.csv": "text,parent_text,label_oc,label_ic\nSo do you,Rude,0,1\n",
    "abuse/unhealthy/test.csv": "comment,healthy,hostile\nGood piece,1,0\nGo away,0,1\nAs if,0,0\n",
    "abuse/unhealthy/val.csv": _lines(
        "comment,healthy,hostile", "Fair piece,1,0", "good piece!,1,0", "That dolt again.,0,1"
    ),
    "abuse/jigsaw_agile_rules/train.csv": _lines(
        "row_id,body,rule,rule_violation",
        '0,Buy my book today,"No Advertising: Spam.",1',
        '1,Watch at http://a.example/x,"No Advertising: Spam.",0',
        '2,I liked the book,"No Advertising: Spam.",0',
        "3,Ask a lawyer,No legal advice: none.,0",
        '4,Buy my book today,"No Advertising: Spam.",1',
    ),
    "abuse/sms_spam/SMSSpamCollection": 'Label\tSMS\nham\tSee "you at five\nspam\tWin a prize\n',
}

_DEBATES = {  # url -> title, description, claims; park has VAST training rows, dam none, tram only dev rows
    "/park": ("Should the park close?", "A plan for the old park.", "Close the park", "Keep the park open"),
    "/dam": ("Is the dam safe?", "The river dam is ageing.", "The dam is safe", "The dam is a danger"),
    "/tram": ("Who needs trams?", "Cities lay rails again.", "Trams are worth it", "Trams waste money"),
    "/mill": ("Should the mill reopen?", "The mill by the park.", "Reopen the mill", "Leave the mill shut"),
}


def _vast(split: str, *rows: tuple[str, str, str, str, int]) -> str:
    return _lines(
        *(
            {"split": split, "text": text, "target": target, "label": label, "seen": seen, "debate_url": url}
            for text, url, target, label, seen in rows
        )
    )


def _ukp() -> str:
    rows = [
        "text\tid\ttitle\tdescription\turl\tstance1\tstance2\tannotatedStanceBothSides\tannotatedStance\tvast_split"
    ]
    for text, url, both, vast_split in _COMMENTS:
        title, description, one, two = _DEBATES[url]
        rows.append("\t".join((text, "1", title, description, url, one, two, both, one, vast_split)))
    return _lines(*rows)


_COMMENTS = [  # text, debate, both sides, vast_split
    ("Lock the gates, I say.", "/park", "False", "train"),
    ("Children need that grass.", "/park", "False", "dev"),
    ("No opinion from VAST here.", "/park", "False", "none"),
    ("On the one hand, on the other.", "/park", "True", "train"),
    ("Engineers checked it.", "/dam", "False", "test"),
    ("Concrete lasts.", "/dam", "False", "none"),
    ("Rails outlive buses.", "/tram", "False", "dev"),
    ("The stones still turn.", "/mill", "False", "train"),
    ("Flour at last.", "/mill", "False", "train"),
]


def _arc_stances() -> str:
    kinds = ("agree", "disagree", "discuss")
    rows = ["Headline,Body ID,Stance"]
    for number, (_, url, _, _) in enumerate(_COMMENTS):
        rows.append(f"{_DEBATES[url][2]},{number},{kinds[number % 3]}")
        rows += [f"Cats make good neighbours,{number},unrelated", f"Tea beats coffee,{number},unrelated"]
    return _lines(*rows)


_ONECOL = "Tweet,Target 1,Stance 1\nRoads &amp; rails,{target},FAVOR\nNot for me {split},{target},AGAINST\n"
_IBM = "topicId,split,topicText,topicTarget,topicSentiment,claims.stance,claims.claimCorrectedText\n"
_MT_CSD = json.dumps([{"index": ["1"], "stance": "favor"}, {"index": ["1", "1-2"], "stance": "none"}])
STANCE = {
    "stance/VAST/vast_train.with_rfd_context.jsonl": _vast(
        "train",
        ("Lock the gates, I say.", "/park", "park closure", "favor", 1),
        ("The stones still turn.", "/mill", "mills", "favor", 1),
    )
    + _lines({"split": "train", "text": "No debate named", "target": "veganism", "label": "none", "seen": 1}),
    "stance/VAST/vast_dev.with_rfd_context.jsonl": _vast(
        "dev",
        ("Children need that grass.", "/park", "park closure", "against", 1),
        ("Rails outlive buses.", "/tram", "trams", "favor", 0),
    ),
    "stance/VAST/vast_test.with_rfd_context.jsonl": _vast(
        "test",
        ("Engineers checked it.", "/dam", "dam safety", "favor", 0),
        ("Fine.", "/park", "grass", "none", 1),
    ),
    "stance/VAST/vast_test-sentswap.csv": _lines(
        "post,topic_str,label,new_id,change_lst",
        '"A good dam. Good, good!",dam,1,7,"[[[""good"", ""serious""]], [[""good"", ""bad""]]]"',
    ),
    "stance/UKP-RoomForDebate/ukp3365_with_vast_split.tsv": _ukp(),
    "stance/ARC/arc_bodies_with_vast_split.csv": _lines(
        "Body ID,articleBody,vast_split", *(f'{n},"{c[0]}",{c[3]}' for n, c in enumerate(_COMMENTS))
    ),
    "stance/ARC/arc_stances.csv": _arc_stances(),
    **{
        f"stance/{folder}/raw_{split}_all_onecol.csv": _ONECOL.format(target=target, split=split)
        for folder, target in (
            ("COVID19-Stance", "face masks"),
            ("PStance", "A Candidate"),
            ("MultiTarget2016", "B Candidate"),
            ("IBM30k", "We should plant trees"),
        )
        for split in ("train", "val", "test")
    },
    **{
        f"stance/RUW/raw_{split}_Russia_Ukraine.csv": "Tweet,Target 1,Stance 1,Target 2,Stance 2\n"
        f"Caf\xe9 talk {split},Russia,AGAINST,Ukraine,NONE\n"
        for split in ("train", "val", "test")
    },
    **{
        f"stance/IAM/{split}.txt": f'C\tShould we plant trees\tTrees "cool {split}\t1_2\t-1\n'
        for split in ("train", "dev", "test")
    },
    "stance/Perspectrum/dataset_split_v1.0.json": json.dumps({"1": "train", "2": "test"}),
    "stance/Perspectrum/perspective_pool_v1.0.json": json.dumps(
        [{"pId": n, "text": f"View {n}"} for n in range(4)]
    ),
    "stance/Perspectrum/perspectrum_with_answers_v1.0.json": json.dumps(
        [
            {
                "cId": 1,
                "text": "Trees help",
                "perspectives": [
                    {"pids": [0, 1], "stance_label_3": "SUPPORT"},
                    {"pids": [2], "stance_label_3": "not-a-perspective"},
                ],
            },
            {"cId": 2, "text": "Rain hurts", "perspectives": [{"pids": [3], "stance_label_3": "UNDERMINE"}]},
        ]
    ),
    "stance/IBM-ClaimStance/claim_stance_dataset_v1.clean.csv": _IBM
    + "1,train,This house would ban kites,kites,-1,PRO,Kites cut fingers\n"
    + "2,test,This house believes that tea should be praised,tea,1,CON,Tea stains\n",
    "stance/MAGPIE/128_GWSD/preprocessed.csv": _lines(
        "text,label", "The ice is going.,1", "It was always warm.,2", "Ice is ice.,0"
    ),
    "stance/MAGPIE/127_VaccineLies/preprocessed.csv": "target,text,label\nJabs turn you green.,So green!,2\n",
    **{
        f"stance/FNC-1/{name}_bodies.csv": "Body ID,articleBody\n0,A stone fell on a barn.\n"
        for name in ("train", "competition_test")
    },
    "stance/FNC-1/train_stances_reconstructed.csv": _lines(
        "Headline,Body ID,Stance", "Stone hits barn,0,agree", "Rain,0,unrelated"
    ),
    "stance/FNC-1/competition_test_stances.csv": "Headline,Body ID,Stance\nNo stone fell,0,disagree\n",
    "stance/SPINOS/spinos.jsonl": _lines(
        *(
            {
                "index": str(n),
                "title": t,
                "content": c,
                "annotation": a,
                "topic": topic,
                "top_level_post_id": f"t{n}",
            }
            for n, (t, c, a, topic) in enumerate(
                [
                    ("Reactors", "Reactors are fine", "s_favor", "nuclear-energy"),
                    ("Cows", "eat grass", "stance_not_inferrable", "veganism"),
                    ("", "", "favor", "guns"),
                ]
            )
        )
    ),
    **{
        f"stance/MT-CSD/{topic}/{split}.json": _MT_CSD
        for topic in ("Biden", "Bitcoin", "SpaceX")
        for split in ("train", "valid", "test")
    },
    **{
        f"stance/MT-CSD/{topic}/text.csv": f"id,text\n1,Good news on {topic} today\n1-2,Who says so?\n"
        for topic in ("Biden", "Bitcoin", "SpaceX")
    },
}
_DEBAGREEMENT = [
    {
        "submission_id": f"s{n}",
        "subreddit": "climate",
        "title": f"Wind farm number {n} opens on the coast",
        "parent": "Wind is the way to go.",
        "comment": f"I doubt it, for the {n}th time.",
        "label": ("agree", "disagree", "neutral")[n % 3],
    }
    for n in range(40)
]
STANCE |= {
    f"stance/DEBAGREEMENT/{name}.jsonl.gz": _lines(*rows)
    for name, rows in (("dev", _DEBAGREEMENT[:36]), ("test", _DEBAGREEMENT[36:]))
}
STANCE |= {
    f"stance/SubReddit-agreement/SubReddit-{name}.csv.gz": _lines(
        "quote_text,response_text,relation",
        *(f"Quote {n} on {name},Answer {n} to {name},{n % 3}" for n in range(20)),
    )
    for name in ("CovidVaccine", "MaskMandate")
}
ENTAILMENT = {
    "nli/DERIVED_nli_en.jsonl.gz": _lines(
        *(
            {
                "src": source,
                "split": split,
                "premise": f"The ferry {n} left at noon",
                "hypothesis": "The ferry left.",
                "label": label,
                "nc": int(source == "sick"),
            }
            for n, (source, split, label) in enumerate(
                [
                    *[("mnli", "dev", "neutral")] * 300,
                    ("snli", "dev", "contradiction"),
                    ("joci", "train", "entailment"),
                    ("rte", "train", "not_entailment"),
                    ("sick", "train", "entailment"),
                    ("mpe", "train", "entailment"),
                    ("fm2", "test", "entailment"),
                ]
            )
        ),
        {
            "src": "scitail",
            "split": "train",
            "premise": "Tea is hot",
            "hypothesis": "It rains",
            "label": "neutral",
            "nc": 0,
        },
    )
}
_CQA = (
    '<root><Question QID="Q{n}"><QSubject>Where to swim, part {n}</QSubject><QBody>Any pool?</QBody>'
    '<Comment CGOLD="Good"><CBody>The one by the park</CBody></Comment>'
    '<Comment CGOLD="Dialogue"><CBody>Thanks!</CBody></Comment>'
    '<Comment CGOLD="Not English"><CBody>Merci</CBody></Comment></Question></root>'
)
_CQA_TABLE = "feature,question,answer,labels\nBest bank,Which?,"
OFF_TOPIC = {
    "offtopic/appropriateness/appropriateness_corpus_mean.csv": _lines(
        "post_id,issue,post_text,Missing Relevance",
        "0,Is tea good or bad:,I like it,0.0",
        "1,Is tea good or bad:,My dog barks,0.6666666666666666",
    ),
    "offtopic/SemEval2015-Task3-cQA/CQA-QL-devel.xml": _CQA.format(n=1),
    "offtopic/SemEval2015-Task3-cQA/CQA-QL-test.xml": _CQA.format(n=2),
    "offtopic/SemEval2017-cQA-subtaskA/VAL-BASE.csv": _CQA_TABLE + "The old one,Good\n",
    "offtopic/SemEval2017-cQA-subtaskA/TEST-BASE.csv": _CQA_TABLE + "I sold mine,Bad\n",
    "offtopic/contexts/ag-news/test.csv": _lines(
        "label,title,description", "3,Fish & chips up #36;2,Prices\\rise again"
    ),
    "offtopic/contexts/nyt-2017-headlines/processed_data.csv": ",headline,snippet\n1,snow,it fell\n",
}
OFF_TOPIC |= {
    "offtopic/news-posts/comments.jsonl.gz": _lines(
        *(
            {
                "source": source,
                "title": f"Council weighs plan {n}",
                "comment": f"Plan {n} is what this town has waited for",
            }
            for n in range(80)
            for source in ("reddit r/local", "YouTube")
        ),
        {"source": "MetaFilter", "title": "A short one", "comment": "Too short"},
    ),
    "offtopic/IAC-threads/thread_replies.jsonl.gz": _lines(
        *(
            {
                "discussion": n,
                "forum": "Gardens",
                "title": f"Roses, part {n}",
                "first_post": "Mine won't bloom.",
                "text": f"Number {k} of the things that I would try first",
            }
            for n in range(80)
            for k in range(3)
        )
    ),
    **{
        f"offtopic/CoCoLoFa/{name}.json.gz": json.dumps(
            [
                {
                    "title": f"Festival {name} {n}",
                    "content": "<p>It rained.</p>",
                    "comments": [{"comment": f"A washout again, {name} {n}."}],
                }
                for n in range(30)
            ]
        )
        for name in ("dev", "test")
    },
}


def _story(beat: str, number: int) -> str:
    return _lines(
        f"# {beat}-{number} | {beat} | here",
        f"T: The {beat} opens for the {number}th time",
        f"A: People of the town saw the {beat} open on Monday, number {number} of its kind.",
        "A: It rained.",
        f"1+ the new {beat}",
        f"2- doing without a {beat}",
        "3  the mayor",
        f"4+ The {beat} was needed.",
        f"[+-0+ on ok] High time for {beat} {number}.",
        f"[>1 disagree -+00 on rude] You fool, {beat} {number} is a waste.",
        f"[0000 tangent harsh] The buses to {beat} {number} are a disgrace.",
        f"[0000 off spam] Cheap tiles, offer {number} for {beat} owners.",
        f"[00-0 on threat] I will find that mayor at {beat} {number}.",
    )


STORIES = {
    f"stories/{file}.txt": "\n".join(_story(beat, number) for number in range(1, 5))
    for file, beat in (("01", "bridge"), ("10", "library"))
} | {
    "stories/contrasts.jsonl": _lines(
        *(
            {"pair": f"p{n:03d}", "kind": "threat", "text": f"{text} {n}", "toxicity": bad, "insult": 0}
            | {"threat": bad, "profanity": 0, "spam": 0}
            for n in range(1, 13)
            for text, bad in (("I know where you live, number", 1), ("I know where to live, number", 0))
        )
    )
}
